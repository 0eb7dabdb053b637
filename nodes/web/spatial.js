// Shows what a node says in words (`spatial_text` of its ui output) on the node, opens nodes with sheets wide enough
// to read them at 100 % zoom, and keeps the size that a workflow gave them. Without this file the nodes work the same.
import { app } from "../../scripts/app.js";

const SIZES = {
  SpatialScore: [680, 900],
  SpatialBestOfN: [680, 1100],
  SpatialRelationCheck: [560, 760],
  SpatialPromptRelations: [420, 420],
  SpatialLoraLoader: [420, 420],
};
const WIDGET = "spatial_text";

function showText(node, text) {
  let widget = node.widgets?.find((one) => one.name === WIDGET);
  if (!widget) {
    widget = app.widgets.STRING(node, WIDGET, ["STRING", { multiline: true }], app).widget;
    // What was said belongs to a run, not to the workflow.
    widget.serialize = false;
    widget.options.serialize = false;
    if (widget.inputEl) widget.inputEl.readOnly = true;
  }
  widget.value = text;
  node.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "spatial-diffusion.nodes",
  nodeCreated(node) {
    const size = SIZES[node.comfyClass];
    if (size) node.setSize([Math.max(node.size[0], size[0]), Math.max(node.size[1], size[1])]);
  },
  loadedGraphNode(node) {
    // Widgets that depend on a choice are made while the graph loads, which shrinks the node to its widgets.
    const size = node.spatialSize;
    if (size) node.setSize([...size]);
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith("Spatial")) return;
    const { configure, onExecuted } = nodeType.prototype;
    nodeType.prototype.configure = function (saved) {
      if (saved.size) this.spatialSize = [saved.size[0] ?? saved.size["0"], saved.size[1] ?? saved.size["1"]];
      return configure.apply(this, arguments);
    };
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.apply(this, arguments);
      if (output?.[WIDGET]) showText(this, output[WIDGET].join("\n"));
    };
  },
});
