const colours = [
  "red",
  "green",
  "blue"
];
