export function Greeting({ name }: Props) {
  return <h1 className="bright">Hello {name}</h1>;
}
