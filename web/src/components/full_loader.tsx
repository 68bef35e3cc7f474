import { Center, Loader } from "@mantine/core";

export function FullLoader() {
  return (
    <Center h="100%" mih={200} role="status" aria-label="Loading">
      <Loader type="dots" size="md" />
    </Center>
  );
}
