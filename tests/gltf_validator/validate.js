// Prints one JSON object: for each path in the arguments, the validator's errors.
const fs = require("fs");
const validator = require("gltf-validator");

const ERROR = 0;

async function errorsOf(path) {
  const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(path)), {
    maxIssues: 100,
  });
  return report.issues.messages
    .filter((issue) => issue.severity === ERROR)
    .map((issue) => `${issue.code} at ${issue.pointer || "the file"}: ${issue.message}`);
}

async function main(paths) {
  const found = {};
  for (const path of paths) {
    try {
      found[path] = await errorsOf(path);
    } catch (error) {
      found[path] = [String(error)];
    }
  }
  process.stdout.write(JSON.stringify(found));
}

main(process.argv.slice(2));
