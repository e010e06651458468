// Threads for what torch calls between its own operators.
#pragma once
#include <functional>

namespace underone {

// Runs work(0) … work(parts - 1), each once, on as many threads. They are those of the OpenMP runtime that torch has brought
// into the process, if there is one: its threads spin between two operators, and a pool beside them would have to share
// the cores with them. Else they are our own. `work` must not throw.
void run_beside_torch(int parts, const std::function<void(int)>& work);

}  // namespace underone
