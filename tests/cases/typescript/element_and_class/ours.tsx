export function Greeting({ name }: Props) {
  return <h1 className="plain">Hello {name}</h1>;
}
