/** Hands each dispatched message to a program's standard input, and says that it is accepted: for examples, not for a network. */
import { spawn } from "node:child_process";
import { createServer } from "node:http";

const [program = "", port = "8090"] = process.argv.slice(2);
if (program === "") {
  process.stderr.write("usage: receive.ts PROGRAM [PORT]\n");
  process.exit(2);
}
createServer((incoming, outgoing) => {
  const child = spawn(program, { stdio: ["pipe", "inherit", "inherit"] });
  child.stdin.on("error", () => {});
  incoming.pipe(child.stdin);
  incoming.once("end", () => {
    outgoing.writeHead(202, { "content-type": "application/json" });
    outgoing.end('{"accepted": true}');
  });
}).listen(Number(port), "127.0.0.1");
