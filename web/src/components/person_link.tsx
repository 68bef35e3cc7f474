// From an id somewhere to the person it belongs to now.
import { Anchor } from "@mantine/core";
import { Link } from "react-router";

import { person_of_path } from "../lib/person_words";

export function PersonLink({ distinct_id }: { distinct_id: string }) {
  return (
    <Anchor component={Link} to={person_of_path(distinct_id)} inherit style={{ overflowWrap: "anywhere" }}>
      {distinct_id}
    </Anchor>
  );
}
