import type { User } from "../protocol";
import type { Room } from "../state/types";
import { marks } from "../state/view";
import { Avatar, Name } from "./Person";

export function MemberList({ room, me }: { room: Room; me: User }) {
  const { count, users, sampled } = room.members;
  const mark = marks(users);
  const sorted = [...users].sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
  return (
    <aside class="members" aria-label="Who is here" data-testid="members" data-count={count}>
      <h2>
        Here now <span class="quiet">{count}</span>
      </h2>
      <ul>
        {sorted.map((user) => (
          <li key={user.id}>
            <Avatar user={user} />
            <Name user={user} mark={mark.get(user.id)} />
            {user.id === me.id && <span class="quiet">you</span>}
          </li>
        ))}
      </ul>
      {sampled && <p class="quiet">{users.length} of {count} are named.</p>}
    </aside>
  );
}
