// Sums of a lane: QV rows of a head, with HELD in the lane's own memory, else in its workgroup's, where each lane reads and
// writes cells of its own, so that no barrier is needed.
#if HELD == yes
var<private> $(NAME): array<vec4f, $(CHUNKS * QV)>;
#else
var<workgroup> $(NAME): array<vec4f, $(CHUNKS * QV * LANES)>;
#end
