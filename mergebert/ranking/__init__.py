"""From evidence to an answer: what is told of a conflict, and the models of a bundle that rank its candidates."""
