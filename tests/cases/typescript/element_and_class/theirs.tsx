export function Greeting({ name }: Props) {
  return <p className="bright">Hello {name}</p>;
}
