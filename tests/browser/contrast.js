// The contrast ratios of a page as it stands: of each text, each control's outline, each mark of the plot.
() => {
  const parse = (color) => {
    const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
    return {rgb: [red, green, blue], alpha};
  };
  const over = (top, alpha, below) => top.map((one, place) => alpha * one + (1 - alpha) * below[place]);
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const linage = (node) => (node ? [...linage(node.parentElement), node] : []);

  function behind(node) {
    return linage(node).reduce((below, one) => {
      const {rgb, alpha} = parse(getComputedStyle(one).backgroundColor);
      return over(rgb, alpha, below);
    }, [255, 255, 255]);
  }

  // A colour as it is seen through the opacities of all that it is in.
  function against(node, color, background, own = 1) {
    const {rgb, alpha} = parse(color);
    const opacity = linage(node).reduce((all, one) => all * Number(getComputedStyle(one).opacity), alpha * own);
    return ratio(over(rgb, opacity, background), background);
  }

  const isShown = (node) => node.checkVisibility() && !node.closest(".visually-hidden, .skip, noscript, :disabled");
  const paint = (node) => {
    const {fill, stroke} = getComputedStyle(node);
    return fill === "none" || node.localName === "line" ? stroke : fill;
  };

  function isLarge(style) {
    const size = parseFloat(style.fontSize);
    return size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  }

  function textsOf() {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.data.trim();
      const node = walker.currentNode.parentElement;
      if (!text || !isShown(node) || node.closest("title, script, option")) continue;
      const style = getComputedStyle(node);
      const color = node instanceof SVGElement ? style.fill : style.color;
      found.push({what: text.slice(0, 40), least: isLarge(style) ? 3 : 4.5, ratio: against(node, color, behind(node))});
    }
    return found;
  }

  function fieldsOf() {
    return [...document.querySelectorAll("input, textarea, select")].filter((node) => isShown(node)).flatMap((node) => {
      const style = getComputedStyle(node);
      const found = [{what: `text of ${node.id || node.name}`, least: 4.5, ratio: against(node, style.color, behind(node))}];
      if (node.placeholder) {
        const {color, opacity} = getComputedStyle(node, "::placeholder");
        found.push({what: `placeholder of ${node.id}`, least: 4.5, ratio: against(node, color, behind(node), Number(opacity))});
      }
      return found;
    });
  }

  function outlinesOf() {
    return [...document.querySelectorAll("input:not([type='range'], [type='checkbox']), textarea, select, button:not(.quiet)")]
      .filter(isShown).map((node) => {
        const color = getComputedStyle(node).borderTopColor;
        return {what: `outline of ${node.id || node.textContent.slice(0, 40)}`, least: 3, ratio: against(node, color, behind(node.parentElement))};
      });
  }

  // Of a mark the side that stands out less: of the plot's background and of the shade over a budget.
  function marksOf() {
    const drawn = [...document.querySelectorAll(".plot .mark, .plot .ring, .plot .line, .plot .axis, .plot .budget, .legend .mark, .spark path, .bar")];
    const shade = document.querySelector(".plot .shade");
    return drawn.filter(isShown).map((node) => {
      const grounds = [behind(node), ...(shade && node.closest(".plot .m") ? [parse(getComputedStyle(shade).fill).rgb] : [])];
      const seen = grounds.map((ground) => against(node, paint(node), ground));
      return {what: `${node.getAttribute("class")} in ${node.parentElement.getAttribute("class")}`, least: 3, ratio: Math.min(...seen)};
    });
  }

  return {texts: [...textsOf(), ...fieldsOf()], outlines: outlinesOf(), marks: marksOf()};
}
