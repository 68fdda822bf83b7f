// What chunk c adds to inner products (attention-product.inc.wgsl).
#for V 0 QV
#if HELD == yes
let x_$V = $(OWN)_rows[c * $(QV)u + $(V)u];
#else
let x_$V = $(OWN_IN)[$(OWN)_at_$V + c * 16u];
#end
#end
#include attention-step-rows
#for J 0 T
{
  let y = subgroupBroadcast(row_of_$(J / LANES), $(J % LANES)u);
  #for V 0 QV
  $(SUM)_$(J)_$V = $(SUM)_$(J)_$V + x_$(V).x * y.x + x_$(V).y * y.y + x_$(V).z * y.z + x_$(V).w * y.w;
  #end
}
#end
