// The engine child as a program of its own, for builds whose main binary carries sanitizers.
#include "store/engine_store.h"

int main(int argc, char** argv) { return penstock::store::engine_child_main(argc, argv); }
