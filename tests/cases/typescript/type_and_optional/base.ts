interface Options {
  name: string;
  size: number;
}
