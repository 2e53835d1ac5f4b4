#!/usr/bin/env bash
# Owns the proof of the Dockerfile where no container engine is at hand: carries out its steps, as they stand there, in
# clean root file systems (debootstrap, chroot), then starts its CMD as its USER and waits for its HEALTHCHECK.
# As root:  deploy/prove-image.sh [FOLDER FOR THE ROOT FILE SYSTEMS]
# What it knows of Dockerfiles is what ours has. NPM_VERSION and the host's registry settings are used as they are.
set -euo pipefail
cd "$(dirname "$0")/.."
repo=$PWD
work=${1:-$(mktemp -d)}
node=${NODE_BINARY:-$repo/node_modules/node/bin/node}
wanted=$(sed -n 's/^FROM node:\([0-9.]*\)-.*/\1/p' Dockerfile | head -1)
[ "$("$node" --version)" = "v$wanted" ] || { echo "the Dockerfile wants Node $wanted; $node is $("$node" --version)" >&2; exit 1; }

say() { printf '\n== %s\n' "$*"; }

# What stands for the base image: Debian, Node, npm, and the user of that name.
base=$work/base
if [ ! -e "$base/proven-base" ]; then
  say "base: Debian bookworm with Node $wanted"
  [ -x "$base/usr/bin/env" ] || debootstrap --variant=minbase --include=ca-certificates bookworm "$base"
  install -D "$node" "$base/usr/local/bin/node"
  npm install --global --prefix "$base/usr/local" --loglevel=error "npm@${NPM_VERSION:-11}"
  chroot "$base" useradd --create-home --uid 1000 --shell /bin/bash node
  cp /etc/resolv.conf /etc/hosts "$base/etc/"
  cat /etc/ssl/certs/ca-certificates.crt ${NODE_EXTRA_CA_CERTS:+"$NODE_EXTRA_CA_CERTS"} > "$base/etc/ssl/certs/ca-certificates.crt"
  touch "$base/proven-base"
fi

declare -A env_of workdir_of user_of
stage="" cmd="" healthcheck="" count=0

# in_stage USER COMMAND...: in the stage's root, with its ENV and WORKDIR, and a /proc and /dev of its own.
in_stage() {
  local user=$1; shift
  unshare --mount --pid --fork bash -c '
    root=$1 user=$2 dir=$3; shift 3
    mount -t proc proc "$root/proc" 2>/dev/null || true
    mount --rbind /dev "$root/dev" 2>/dev/null || true
    exec chroot --userspec="$user" "$root" /usr/bin/env -i -C "$dir" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
  ' in_stage "$work/$stage" "$user" "${workdir_of[$stage]:-/}" \
    HOME="$([ "$user" = root ] && echo /root || echo "/home/$user")" \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt npm_config_registry="$(npm config get registry)" \
    ${env_of[$stage]:-} "$@"
}

copy() {
  local from=$repo owner=0:0 sources=() target
  while [[ ${1:-} == --* ]]; do
    case $1 in --from=*) from=$work/${1#--from=} ;; *) echo "COPY $1 is not known here" >&2; exit 1 ;; esac
    shift
  done
  while [ $# -gt 1 ]; do sources+=("$1"); shift; done
  target=$1
  [[ $target == /* ]] || target=${workdir_of[$stage]}/$target
  mkdir -p "$work/$stage$target"
  for source in "${sources[@]}"; do
    if [ "$from" != "$repo" ]; then cp -a "$from/${source#/}/." "$work/$stage$target/"
    elif [ "$source" = . ]; then tar --exclude-from=<(sed 's/^\*\*\///; t; s/^/.\//' .dockerignore) -cf - . | tar -xf - --owner="$owner" -C "$work/$stage$target"
    else cp -a "$source" "$work/$stage$target/"; fi
  done
  chown -R "$owner" "$work/$stage$target"
}

while IFS= read -r line; do
  [[ -z $line || $line == \#* ]] && continue
  step=${line%% *} rest=${line#* }
  say "$line"
  case $step in
    FROM)
      read -r parent _ name <<<"$rest"
      stage=${name:-image-$((count += 1))}
      [[ $parent == node:* ]] && parent=base
      rm -rf "${work:?}/$stage"
      cp -a "$work/$parent" "$work/$stage"
      workdir_of[$stage]=${workdir_of[$parent]:-/} env_of[$stage]=${env_of[$parent]:-} user_of[$stage]=root ;;
    WORKDIR) workdir_of[$stage]=$rest; mkdir -p "$work/$stage$rest" ;;
    ENV) env_of[$stage]+=" $rest" ;;
    COPY) read -ra words <<<"$rest"; copy "${words[@]}" ;;
    RUN) in_stage "${user_of[$stage]}" /bin/sh -c "$rest" </dev/null ;;
    USER) user_of[$stage]=$rest ;;
    VOLUME | EXPOSE) ;;
    HEALTHCHECK) healthcheck=${rest#*CMD } ;;
    CMD) cmd=$rest ;;
    *) echo "$step is not known here" >&2; exit 1 ;;
  esac
done < Dockerfile

words() { "$node" -e 'console.log(JSON.parse(process.argv[1]).join("\n"))' "$1"; }
mapfile -t cmd_words < <(words "$cmd")
mapfile -t health_words < <(words "$healthcheck")
say "CMD ${cmd_words[*]} as ${user_of[$stage]}"
port=${PROOF_PORT:-18080}
env_of[$stage]+=" PORT=$port ORCHESTRATOR_URL=http://127.0.0.1:$port"
in_stage "${user_of[$stage]}" "${cmd_words[@]}" </dev/null > "$work/image.log" 2>&1 &
service=$!
main() { pgrep -P "$(pgrep -P "$service" || echo "$service")" 2>/dev/null || pgrep -P "$service"; }
trap 'kill -TERM $(main) 2>/dev/null; wait $service' EXIT
for _ in $(seq 60); do
  sleep 1
  if in_stage "${user_of[$stage]}" "${health_words[@]}"; then
    say "HEALTHCHECK passed; runs as user $(ps -o uid= -p "$(main | head -1)" | tr -d " "), $(du -sh "$work/$stage" | cut -f1) in all, $(du -sh "$work/$stage/app" | cut -f1) of it /app"
    [ ! -e "$work/$stage/app/node_modules/typescript" ] || { echo "development packages are in the image" >&2; exit 1; }
    in_stage "${user_of[$stage]}" orchestrator doctor
    exit 0
  fi
  kill -0 "$service" 2>/dev/null || break
done
cat "$work/image.log" >&2
exit 1
