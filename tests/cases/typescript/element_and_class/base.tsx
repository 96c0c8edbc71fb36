export function Greeting({ name }: Props) {
  return <p className="plain">Hello {name}</p>;
}
