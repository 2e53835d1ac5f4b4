#!/bin/sh
# The same with nothing but curl and jq: reads a dispatched message from standard input, claims, counts, calls back.
set -eu
message=$(cat)
of() { printf '%s' "$message" | jq -r "$1"; }
post() { curl -sS --fail-with-body --max-time 10 --retry 5 -H "Authorization: Bearer $(of .authentication.token)" \
  -H 'content-type: application/json' -d "$2" "${url%/callback}/$1"; }
url=$(of .callback_url)

# Only the first claim counts: a message that is delivered twice is worked on once.
post claim "$(printf '%s' "$message" | jq -c --arg who "word-count.sh $$" '{attempt, claimant: $who}')" > /dev/null || exit 0

post callback "$(printf '%s' "$message" | jq -c '{
  execution_id, attempt, status: "completed",
  items: [.input_data.tasks[] | (.payload.text // "" | split("\\s+"; null) | map(select(. != "")) | length) as $words
    | if $words > 0 then {task_id, status: "completed", result_data: {words: $words}}
      else {task_id, status: "failed", error_data: {message: "the text is empty", retry_recommended: false}} end]
} | if any(.items[]; .status == "failed") then .status = "partial" else . end')"
echo
