#include "operators.h"

namespace underone {

Makers window_makers() { return {}; }

}  // namespace underone
