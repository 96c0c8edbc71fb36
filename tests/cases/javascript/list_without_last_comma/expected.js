const colours = [
  "red",
  "green",
  "blue",
  "grey"
];
