const { open } = require("fs");

function load(path, done) {
  open(path, "r", done);
}

module.exports = { load, save };
