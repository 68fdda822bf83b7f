// What chunk c adds to inner products (attention-product.inc.wgsl). Rows of the step come by broadcast.
#for V 0 QV
#if HELD == yes
let x_$V = $(OWN)_rows[c * $(QV)u + $(V)u];
#else
let x_$V = $(OWN_IN)[$(OWN)_at_$V + c * 16u];
#end
#end
#for S 0 SLOTS
#if HELD == yes
let row_of_$S = $(OTHER)_rows[c * $(SLOTS)u + $(S)u];
#else
let row_of_$S = $(OTHER_IN)[$(OTHER)_at_$S + c * 16u];
#end
#end
#for J 0 T
{
  let y = subgroupBroadcast(row_of_$(J / LANES), $(J % LANES)u);
  #for V 0 QV
  $(SUM)_$(J)_$V = $(SUM)_$(J)_$V + x_$(V).x * y.x + x_$(V).y * y.y + x_$(V).z * y.z + x_$(V).w * y.w;
  #end
}
#end
