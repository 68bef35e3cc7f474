// node node.js FILE EVENTS APP: the same function in Node, JSON text in and out, no way between
// processes; prints microseconds of CPU per event.
const fs = require("fs");
const [file, count, app] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const events = fs.readFileSync(file, "utf8").split("\n").filter(Boolean);
const { processEvent } = require(require("path").resolve(app));
let bytes = 0;
const run = (n) => {
  for (let i = 0; i < n; i++) bytes += JSON.stringify(processEvent(JSON.parse(events[i % events.length]))).length;
};
run(count / 5);
const before = process.cpuUsage();
run(count);
const used = process.cpuUsage(before);
console.log(((used.user + used.system) / count).toFixed(3));
