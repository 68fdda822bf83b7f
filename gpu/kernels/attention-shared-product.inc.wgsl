// Inner products on hardware (attention-shared.inc.wgsl): SUM_i_j of own row i, in OWN_IN at rows from OWN_ROWS + first, and row j
// of the step, in OTHER_IN at rows from OTHER_ROWS + step; STRIDE chunks a row and the head's first chunk HEAD of each.
#for I 0 ROWS_EACH
#for J 0 2
var $(SUM)_$(I)_$J = 0.0;
#end
#end
for (var c = 0u; c < p.shape.chunks; c += 4u) {
  workgroupBarrier();
  for (var i = index; i < $(4 * ROWS + 4 * T)u; i += 256u) {
    var staged = vec4f(0);
    if (i < $(4 * ROWS)u) {
      let row = $(OWN_ROWS) + min(first + i % $(ROWS)u, padded(length) - 1u);
      let chunk = c + i / $(ROWS)u;
      if (chunk < p.shape.chunks) { staged = $(OWN_IN)[cell(row, $(OWN_STRIDE), $(OWN_HEAD) + chunk)]; }
    } else {
      let row = $(OTHER_ROWS) + min(step + i % $(T)u, length - 1u);
      let chunk = c + (i - $(4 * ROWS)u) / $(T)u;
      if (chunk < p.shape.chunks) { staged = $(OTHER_IN)[cell(row, $(OTHER_STRIDE), $(OTHER_HEAD) + chunk)]; }
    }
    stage[i] = staged;
  }
  workgroupBarrier();
  for (var chunk = 0u; chunk < 4u; chunk++) {
    #for J 0 2
    let other_$J = stage[$(4 * ROWS)u + chunk * $(T)u + x + $(16 * J)u];
    #end
    #for I 0 ROWS_EACH
    {
      let own = stage[chunk * $(ROWS)u + y + $(16 * I)u];
      #for J 0 2
      $(SUM)_$(I)_$J = $(SUM)_$(I)_$J + own.x * other_$(J).x + own.y * other_$(J).y + own.z * other_$(J).z + own.w * other_$(J).w;
      #end
    }
    #end
  }
}
