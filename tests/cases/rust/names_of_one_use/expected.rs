use std::{env, fmt, fs, io};

fn main() {}
