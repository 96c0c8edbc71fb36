const colours = [
  "red",
  "green"
];
