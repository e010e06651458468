#include "operators.h"

namespace underone {

Makers integer_makers() { return {}; }

}  // namespace underone
