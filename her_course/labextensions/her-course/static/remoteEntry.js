// JupyterLab drops the text alternative that is stored with an image. This renderer hands it on to the <img>.
// Written by hand as the module-federation container that JupyterLab asks for; there is nothing to build.
(() => {
  let shared;

  async function rendermime() {
    const [version] = Object.values(shared["@jupyterlab/rendermime"]);
    return (await version.get())();
  }

  async function extension() {
    const { IRenderMimeRegistry, RenderedImage } = await rendermime();

    class DescribedImage extends RenderedImage {
      async render(model) {
        await super.render(model);
        this.node.querySelector("img").alt = model.metadata[this.mimeType]?.alt ?? "";
      }
    }
    const factory = {
      safe: true,
      mimeTypes: ["image/png"],
      createRenderer: (options) => new DescribedImage(options),
    };
    const plugin = {
      id: "her-course:text-alternatives",
      autoStart: true,
      requires: [IRenderMimeRegistry],
      activate: (app, registry) => registry.addFactory(factory, 90), // the rank of JupyterLab's own
    };
    return () => ({ __esModule: true, default: plugin });
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["her-course"] = {
    init: (scope) => {
      shared = scope;
    },
    get: extension,
  };
})();
