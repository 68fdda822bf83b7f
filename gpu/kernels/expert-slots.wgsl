// Sorts assignments (row * count + rank) by their expert, so that each expert's are panels of their own: slots[panel, 16]
// holds assignments in ascending order, NONE where a panel is not full; experts[panel] is the panel's expert, NONE behind
// the last. One workgroup for all: an invocation takes every 256th expert.
// Bindings: 0 Params, 1 chosen [assignments], 2 slots [panels, 16], 3 experts [panels].
struct Params { assignments: u32, experts: u32, panels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> chosen: array<u32>;
@group(0) @binding(2) var<storage, read_write> slots: array<u32>;
@group(0) @binding(3) var<storage, read_write> experts: array<u32>;

const NONE = 0xffffffffu;
// Panels of each expert, then the first of them.
var<workgroup> firsts: array<u32, 1025>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var expert = lane; expert < p.experts; expert += 256u) {
    var count = 0u;
    for (var i = 0u; i < p.assignments; i++) { count += select(0u, 1u, chosen[i] == expert); }
    firsts[expert] = (count + 15u) / 16u;
  }
  workgroupBarrier();
  if (lane == 0u) {
    var first = 0u;
    for (var expert = 0u; expert < p.experts; expert++) {
      let panels = firsts[expert];
      firsts[expert] = first;
      first += panels;
    }
    firsts[p.experts] = first;
  }
  workgroupBarrier();
  for (var expert = lane; expert < p.experts; expert += 256u) {
    var slot = firsts[expert] * 16u;
    let end = firsts[expert + 1u] * 16u;
    for (var panel = firsts[expert]; panel < firsts[expert + 1u]; panel++) { experts[panel] = expert; }
    for (var i = 0u; i < p.assignments; i++) {
      if (chosen[i] == expert) {
        slots[slot] = i;
        slot++;
      }
    }
    for (; slot < end; slot++) { slots[slot] = NONE; }
  }
  for (var panel = firsts[p.experts] + lane; panel < p.panels; panel += 256u) { experts[panel] = NONE; }
}
