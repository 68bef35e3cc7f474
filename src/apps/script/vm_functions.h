// The functions that src/apps/js/prelude.js is handed, and nothing else is: the script's only way
// to the world. They check their arguments themselves; apps never see them. Thread: the Vm's.
#pragma once

#include "apps/script/js.h"

namespace penstock::apps {

class Vm;

/// An object of functions; the prelude's head lists them.
Js make_natives(JSContext* context, Vm& vm);

}  // namespace penstock::apps
