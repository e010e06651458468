#include "operators.h"

namespace underone {

Makers product_makers() { return {}; }

}  // namespace underone
