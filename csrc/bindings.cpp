#include "bindings.h"

NB_MODULE(_native, m) {
  m.doc() = "The compiled part: plans, image preparation, non-maximum suppression.";
  underone::bind_machine(m);
  underone::bind_plan(m);
  underone::bind_image(m);
  underone::bind_arrow(m);
  underone::bind_nms(m);
  underone::bind_label_map(m);
  underone::bind_window_moments(m);
}
