// Backward of w = a * up, a = act(gate), elementwise; act(gate) / gate is the activation's own gate (silu: sigmoid):
//
//   RULE attnlrp:   dup = a * dw / 2,  dgate = act(gate) / gate * up * dw / 2
//   RULE cplrp:     dup = a * dw,      dgate = 0
//   RULE gradient:  dup = a * dw,      dgate = act'(gate) * up * dw
//
// dw and dx may hold several gradients (targets of a pack), `panels` panels each, that share x.
// Bindings: 0 Params, 1 x [rows, gate | up], 2 dw [targets, rows, chunks], 3 dx [targets, rows, gate | up].
#include activation

struct Params { chunks: u32, cells: u32, width: u32, panels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dw: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  let cell = index / 16u;
  if (cell >= p.cells) { return; }
  let panel = cell / p.chunks;
  let gate_at = (panel * 2u * p.chunks + cell % p.chunks) * 16u + index % 16u;
  let up_at = gate_at + p.chunks * 16u;
  let from_gate = ((panel % p.panels) * 2u * p.chunks + cell % p.chunks) * 16u + index % 16u;
  let gate = x[from_gate];
  let up = x[from_gate + p.chunks * 16u];
  let own = gate_of(gate);
  #if RULE == attnlrp
  dx[up_at] = 0.5 * gate * own * dw[index];
  dx[gate_at] = 0.5 * own * up * dw[index];
  #end
  #if RULE == cplrp
  dx[up_at] = gate * own * dw[index];
  dx[gate_at] = vec4f(0);
  #end
  #if RULE == gradient
  dx[up_at] = gate * own * dw[index];
  dx[gate_at] = slope_of(gate) * up * dw[index];
  #end
}
