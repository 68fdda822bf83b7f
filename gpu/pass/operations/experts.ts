/**
 * An MLP of experts: each token is sent to a few of them, each a gated MLP, and gets the sum of what they give times
 * their shares. Rows of neurons are assignments (gpu/kernels/experts.ts). Backward (docs/method.md section 11): under
 * AttnLRP the product of share and expert is halved to each side, under CP-LRP shares are constants.
 */
import type { Rule } from "../../engine.ts";
import { gated, gatedBackward } from "../../kernels/activation.ts";
import {
  expertProduct,
  expertSum,
  route,
  routeBackward,
  type Routing,
  scaleRows,
  slotPanels,
  sortByExpert,
} from "../../kernels/experts.ts";
import { columns4, PANEL, panelBytes, panelsOf } from "../../kernels/panels.ts";
import { rowDot } from "../../kernels/row-moves.ts";
import type { LayerMlp, ModelConfig } from "../../model/config.ts";
import { matrixSlot, type Operation, type Place, type Slot, slot, type Slots } from "../operation.ts";
import { makeLinear } from "./linear.ts";
import { GATE_UP, INNER, type Mlp } from "./mlp.ts";

const LOGITS = "routerLogits";
const CHOSEN = "chosenExperts";
const SHARES = "expertShares";
const SLOTS = "expertSlots";
const PANEL_EXPERTS = "panelExperts";
/** What experts write, or the gradient of what they read, [assignments, hidden]. */
const BESIDE = "expertRows";
/** Gradient of the shares times the shares, [assignments]. */
const SHARE_GRADIENTS = "shareGradients";

/** The halving of the product of share and expert. */
const PRODUCT_FACTOR: Readonly<Record<Rule, number>> = { attnlrp: 1 / 2, cplrp: 1, gradient: 1 };

/** Sizes of an MLP of experts. */
interface ExpertSizes {
  readonly hidden: number;
  readonly experts: number;
  /** Experts that a token is sent to. */
  readonly count: number;
  /** Neurons of an expert, and columns of their rows. */
  readonly width: number;
  readonly inner: number;
}

/** The buffers of the experts, without the router's weights, and what they compute. */
function describeExperts({ hidden, experts, count, width, inner }: ExpertSizes): Operation {
  const rowsOf = (name: string, label: string, columns: number): Slot => ({
    name,
    label,
    columns,
    bytes: (rows) => panelBytes(rows * count, columns),
  });
  const listOf = (name: string, label: string, length: (assignments: number) => number): Slot => ({
    name,
    label,
    columns: 0,
    bytes: (rows) => 4 * length(panelsOf(rows) * PANEL * count),
  });
  return {
    name: "experts",
    state: [
      matrixSlot(LOGITS, "router's logits", experts),
      listOf(CHOSEN, "chosen experts", (assignments) => assignments),
      listOf(SHARES, "shares of experts", (assignments) => assignments),
      listOf(SLOTS, "assignments by expert", (assignments) => PANEL * slotPanels(assignments, experts)),
      listOf(PANEL_EXPERTS, "experts of panels", (assignments) => slotPanels(assignments, experts)),
      rowsOf(GATE_UP, "experts' gate and up", 2 * inner),
    ],
    scratch: [rowsOf(INNER, "experts' inner", inner), rowsOf(BESIDE, "what experts write", hidden)],
    gradients: [
      rowsOf(INNER, "gradient of the experts' inner", inner),
      rowsOf(GATE_UP, "gradients of the experts' gate and up", 2 * inner),
      rowsOf(BESIDE, "gradients of what experts read", hidden),
      matrixSlot(LOGITS, "gradients of the router's logits", experts),
      listOf(SHARE_GRADIENTS, "gradients of shares", (assignments) => assignments),
    ],
    counted: { perToken: count * 6 * width * hidden, perScore: 0 },
  };
}

/** Products over the first `rows` of `stateRows` rows, for all targets: those of gate and up, and that down. */
function productsOf(
  { hidden, experts, count, inner }: ExpertSizes,
  { weights, state }: Place,
  { rows, stateRows, targets }: { readonly rows: number; readonly stateRows: number; readonly targets: number },
) {
  const common = {
    experts,
    lists: { slots: slot(state, SLOTS), experts: slot(state, PANEL_EXPERTS) },
    panels: slotPanels(stateRows * count, experts),
    limit: rows * count,
    targets,
  };
  return {
    gateUp: { ...common, weight: weights.matrix("expertGateUp"), expertRows: 2 * inner },
    down: { ...common, weight: weights.matrix("expertDown"), expertRows: hidden },
  };
}

export function makeExperts(config: ModelConfig, mlp: Extract<LayerMlp, { kind: "experts" }>): Mlp {
  const { hidden } = config;
  const { activation, width, experts, chosen: count, normalised } = mlp;
  const inner = columns4(width) * 4;
  const sizes: ExpertSizes = { hidden, experts, count, width, inner };
  const router = makeLinear("router", { rows: experts, columns: hidden, bias: null });
  const routing = (rows: number, state: Slots): Routing => ({
    rows,
    experts,
    count,
    normalised,
    logits: slot(state, LOGITS),
    chosen: slot(state, CHOSEN),
    shares: slot(state, SHARES),
  });
  const activate: Mlp["neuronsAgain"] = ({ device, rows, slots }, { state }) =>
    gated(device, activation, rows * count, inner, slot(state, GATE_UP), slot({ slots }, INNER));
  return {
    operations: [router, describeExperts(sizes)],
    neurons: width,
    rowsPerToken: count,
    isRowwise: false,
    forward(workspace, place, x, y, { accumulate = false, ablation } = {}) {
      const { device, rows } = workspace;
      const { state } = place;
      router.forward(workspace, place, x, slot(state, LOGITS));
      route(device, routing(rows, state));
      const { gateUp, down } = productsOf(sizes, place, { rows, stateRows: rows, targets: 1 });
      sortByExpert(device, rows * count, experts, slot(state, CHOSEN), gateUp.lists);
      expertProduct(device, { ...gateUp, mode: "nt", a: x, rowsFrom: count, c: slot(state, GATE_UP) });
      activate(workspace, place);
      const chosen = { experts: slot(state, CHOSEN), rowsPerToken: count };
      ablation?.neurons(slot(workspace, INNER), inner, chosen);
      const written = slot(workspace, BESIDE);
      expertProduct(device, { ...down, mode: "nt", a: slot(workspace, INNER), rowsFrom: 1, c: written });
      expertSum(device, {
        rows,
        columns: hidden,
        count,
        y: written,
        shares: slot(state, SHARES),
        out: y,
        accumulate,
      });
    },
    async expertsOf(device, { state }, rows) {
      const chosen = slot(state, CHOSEN);
      const most = Math.max(...rows) + 1;
      const all = new Uint32Array(await device.read(chosen, 0, most * 4));
      return Uint32Array.from(rows, (row) => all[row] as number);
    },
    neuronsAgain: activate,
    neuronsBackward({ workspace, targets, rows, slots }, place, dy) {
      const { device } = workspace;
      const { down } = productsOf(sizes, place, { rows, stateRows: workspace.rows, targets });
      const gradient = slot({ slots }, INNER);
      expertProduct(device, { ...down, mode: "nn", a: dy, rowsFrom: count, c: gradient });
      scaleRows(device, rows * count, inner, slot(place.state, SHARES), gradient, targets);
    },
    backward(space, place, rule, dx, accumulate) {
      const { workspace, targets, rows } = space;
      const { device } = workspace;
      const [neurons, wide, read] = [slot(space, INNER), slot(space, GATE_UP), slot(space, BESIDE)];
      gatedBackward(device, activation, {
        rule,
        rows: rows * count,
        columns: inner,
        targets,
        x: slot(place.state, GATE_UP),
        dw: neurons,
        dx: wide,
      });
      const { gateUp } = productsOf(sizes, place, { rows, stateRows: workspace.rows, targets });
      expertProduct(device, { ...gateUp, mode: "nn", a: wide, rowsFrom: 1, c: read });
      const scale = PRODUCT_FACTOR[rule];
      expertSum(device, { rows, columns: hidden, count, targets, y: read, scale, out: dx, accumulate });
      if (rule === "cplrp") return;
      const [gradient, dlogits] = [slot(space, SHARE_GRADIENTS), slot(space, LOGITS)];
      activate(workspace, place);
      rowDot(device, rows * count, inner, slot(workspace, INNER), neurons, gradient, 0, targets);
      routeBackward(device, { ...routing(rows, place.state), targets, factor: scale, gradient, dlogits });
      router.backward(space, place, dlogits, dx, true);
    },
  };
}
