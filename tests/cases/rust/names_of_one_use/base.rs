use std::{env, io};

fn main() {}
