/** The way to one thing by its id, of which the last twelve digits are told apart by people. */
import { Link } from "react-router";

export function IdLink({ to, id }: { to: string; id: string }) {
  return (
    <Link className="id" to={`${to}/${id}`} title={id}>
      {id.slice(-12)}
    </Link>
  );
}
