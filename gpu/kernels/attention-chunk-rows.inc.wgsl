// Chunk c of COUNT rows of NAME in INTO_0 ...: from their array with HELD (attention-held.inc.wgsl), else from buffer IN at
// NAME_at_0 ...
#for R 0 COUNT
#if HELD == yes
let $(INTO)_$R = $(NAME)_rows[c * $(COUNT)u + $(R)u];
#else
let $(INTO)_$R = $(IN)[$(NAME)_at_$R + c * 16u];
#end
#end
