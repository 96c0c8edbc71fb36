const colours = [
  "red",
  "green",
  "grey"
];
