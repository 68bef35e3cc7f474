// A room that is headers only still is a library.
