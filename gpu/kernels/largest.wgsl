// The bits of the largest |x| of a matrix, as u32, into out[0], which must be 0 before: bits of non-negative floats are
// ordered as the floats. Bindings: 0 Params, 1 x, 2 out. Workgroups of 256 stride over all vec4.
struct Params { count: u32, width: u32 } // vec4 of x; invocations
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<atomic<u32>>;
var<workgroup> most: atomic<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) index: u32) {
  var found = 0.0;
  for (var at = id.x; at < p.count; at += p.width) {
    let v = abs(x[at]);
    found = max(found, max(max(v.x, v.y), max(v.z, v.w)));
  }
  atomicMax(&most, bitcast<u32>(found));
  workgroupBarrier();
  if (index == 0u) { atomicMax(&out[0], atomicLoad(&most)); }
}
