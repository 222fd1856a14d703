#include "terminal/grid.h"

#include "base/banned.h"

int lxe_grid_init(struct lxe_grid *g, uint16_t rows, uint16_t cols)
{
	*g = (struct lxe_grid){ .rows = rows, .cols = cols };
	g->row = calloc(rows, sizeof(void *));
	g->store = calloc(rows, sizeof(*g->store));
	g->cells = calloc((size_t)rows * cols, sizeof(*g->cells));
	if (!g->row || !g->store || !g->cells) {
		lxe_grid_release(g);
		return -ENOMEM;
	}
	for (size_t i = 0; i < rows; i++) {
		g->store[i].cells = g->cells + i * cols;
		g->row[i] = &g->store[i];
	}
	return 0;
}

void lxe_grid_release(struct lxe_grid *g)
{
	free(g->row);
	free(g->store);
	free(g->cells);
	*g = (struct lxe_grid){ 0 };
}

static struct lxe_cell blank(uint32_t background)
{
	return (struct lxe_cell){ .pen.bg = background, .width = 1 };
}

/* Write out the empty cells before `upto`, because cells from there on are to be written. */
static void use(struct lxe_row *row, int upto)
{
	while (row->used < upto)
		row->cells[row->used++] = blank(row->fill);
}

static void clear_row(struct lxe_row *row, uint32_t background)
{
	row->used = 0;
	row->continues = false;
	row->fill = background;
}

static struct lxe_cell row_cell(const struct lxe_row *row, int col)
{
	return col < row->used ? row->cells[col] : blank(row->fill);
}

struct lxe_cell lxe_grid_cell(const struct lxe_grid *g, int row, int col)
{
	return row_cell(g->row[row], col);
}

static void blank_cell(struct lxe_row *row, int col)
{
	row->cells[col] = blank(row->cells[col].pen.bg);
}

/* Between col - 1 and col a new thing begins: halves of one character there become blank. */
static void cut(struct lxe_row *row, int col)
{
	if (col <= 0 || col >= row->used || row->cells[col].width != 0)
		return;
	blank_cell(row, col - 1);
	blank_cell(row, col);
}

void lxe_grid_put(struct lxe_grid *g, int row, int col, const struct lxe_cell *cell)
{
	int width = cell->width == 2 ? 2 : 1;
	struct lxe_row *r;

	if (row < 0 || row >= g->rows || col < 0 || col + width > g->cols)
		return;
	r = g->row[row];
	use(r, col);
	cut(r, col);
	cut(r, col + width);
	r->cells[col] = *cell;
	r->cells[col].width = (uint8_t)width;
	if (width == 2)
		r->cells[col + 1] = (struct lxe_cell){ .pen = cell->pen };
	if (r->used < col + width)
		r->used = (uint16_t)(col + width);
	if (col + width == g->cols)
		r->continues = false;
}

static bool clip(const struct lxe_grid *g, struct lxe_rect *r)
{
	r->top = r->top < 0 ? 0 : r->top;
	r->left = r->left < 0 ? 0 : r->left;
	r->bottom = r->bottom > g->rows ? g->rows : r->bottom;
	r->right = r->right > g->cols ? g->cols : r->right;
	return r->top < r->bottom && r->left < r->right;
}

static void erase_cells(struct lxe_grid *g, struct lxe_row *row, int left, int right, uint32_t bg)
{
	if (right == g->cols) {
		row->continues = false;
		if (left == 0) {
			clear_row(row, bg);
			return;
		}
		if (left >= row->used && row->fill == bg)
			return;
	}
	use(row, right);
	cut(row, left);
	cut(row, right);
	for (int i = left; i < right; i++)
		row->cells[i] = blank(bg);
}

void lxe_grid_erase(struct lxe_grid *g, struct lxe_rect r, uint32_t background)
{
	if (!clip(g, &r))
		return;
	for (int i = r.top; i < r.bottom; i++)
		erase_cells(g, g->row[i], r.left, r.right, background);
}

static void reverse(struct lxe_row **row, int from, int to)
{
	while (from < --to) {
		struct lxe_row *held = row[from];

		row[from++] = row[to];
		row[to] = held;
	}
}

static void scroll_rows(struct lxe_grid *g, struct lxe_rect r, int up, uint32_t background)
{
	int height = r.bottom - r.top, by = up > 0 ? up : height + up;

	if (up == 1) {
		struct lxe_row *first = g->row[r.top];

		memmove(g->row + r.top, g->row + r.top + 1, sizeof(void *) * (size_t)(height - 1));
		g->row[r.bottom - 1] = first;
	} else {
		reverse(g->row, r.top, r.top + by);
		reverse(g->row, r.top + by, r.bottom);
		reverse(g->row, r.top, r.bottom);
	}
	if (up > 0)
		r.top = r.bottom - up;
	else
		r.bottom = r.top - up;
	for (int i = r.top; i < r.bottom; i++)
		clear_row(g->row[i], background);
}

static void move_cells(struct lxe_grid *g, struct lxe_rect r, int up, int left)
{
	int height = r.bottom - r.top - abs(up), width = r.right - r.left - abs(left);
	int from_col = r.left + (left > 0 ? left : 0), to_col = from_col - left;

	for (int i = 0; i < height; i++) {
		int to = up >= 0 ? r.top + i : r.bottom - 1 - i;

		memmove(g->row[to]->cells + to_col, g->row[to + up]->cells + from_col,
			sizeof(struct lxe_cell) * (size_t)width);
	}
}

/* Halves whose other half stayed behind become blank. */
static void mend(struct lxe_row *row, int col)
{
	if (col < 0 || col >= row->used)
		return;
	if (row->cells[col].width == 0 && (col == 0 || row->cells[col - 1].width != 2))
		blank_cell(row, col);
	else if (row->cells[col].width == 2 &&
		 (col + 1 >= row->used || row->cells[col + 1].width != 0))
		blank_cell(row, col);
}

static void scroll_cells(
	struct lxe_grid *g, struct lxe_rect r, int up, int left, uint32_t background)
{
	for (int i = r.top; i < r.bottom; i++) {
		use(g->row[i], g->cols);
		cut(g->row[i], r.left);
		cut(g->row[i], r.right);
		if (r.right == g->cols)
			g->row[i]->continues = false;
	}
	move_cells(g, r, up, left);
	for (int i = r.top; i < r.bottom; i++) {
		bool fresh = up > 0 ? i >= r.bottom - up : i < r.top - up;
		int first = fresh || left < 0 ? r.left : r.right - left;
		int last = fresh || left > 0 ? r.right : r.left - left;

		for (int col = first; col < last; col++)
			g->row[i]->cells[col] = blank(background);
		mend(g->row[i], r.left);
		mend(g->row[i], r.left - left);
		mend(g->row[i], r.right - left - 1);
		mend(g->row[i], r.right - 1);
	}
}

static int bound(int value, int limit)
{
	return value > limit ? limit : value < -limit ? -limit : value;
}

void lxe_grid_scroll(struct lxe_grid *g, struct lxe_rect r, int up, int left, uint32_t background)
{
	if (!clip(g, &r))
		return;
	up = bound(up, r.bottom - r.top);
	left = bound(left, r.right - r.left);
	if (up == 0 && left == 0)
		return;
	if (left == 0 && r.left == 0 && r.right == g->cols)
		scroll_rows(g, r, up, background);
	else
		scroll_cells(g, r, up, left, background);
}

static int row_length(const struct lxe_row *row)
{
	int n = row->used;

	while (n > 0 && lxe_cell_blank(&row->cells[n - 1]))
		n--;
	return n;
}

void lxe_grid_row_text(const struct lxe_grid *g, int row, struct lxe_outbuf *out)
{
	const struct lxe_row *r = g->row[row];
	int n = r->continues ? r->used : row_length(r);

	for (int i = 0; i < n; i++) {
		const struct lxe_cell *c = &r->cells[i];

		if (c->width == 0)
			continue;
		lxe_outbuf_cp(out, c->ch[0] ? c->ch[0] : ' ');
		for (int k = 1; k < LXE_CELL_CHARS && c->ch[k]; k++)
			lxe_outbuf_cp(out, c->ch[k]);
	}
}

int lxe_grid_height(const struct lxe_grid *g)
{
	int n = g->rows;

	while (n > 0 && row_length(g->row[n - 1]) == 0)
		n--;
	return n;
}
