interface Options {
  name: string;
  size: number | null;
}
