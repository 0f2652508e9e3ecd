using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Reports;
using KestrelEventLoopTransport.Benchmarks.Reports.Html;
using Microsoft.Playwright;

namespace KestrelEventLoopTransport.BrowserTests;

/// <summary>The report of <c>build/bench.sh</c> as a person sees it, of results that were made up.</summary>
public sealed class BenchmarkReportTests(Browser browser) : IClassFixture<Browser>, IDisposable
{
    // The cells of a table as text, row by row, the head first.
    private const string ReadTables =
        """
        () => [...document.querySelectorAll('table')].map(table =>
          [...table.rows].map(row => [...row.cells].map(cell => cell.textContent)))
        """;

    // Of each workload: names, figures and lengths of its bars.
    private const string ReadBars =
        """
        name => [...document.getElementById(name).querySelectorAll('.bar')].map(bar => [
          bar.querySelector('span').textContent, bar.querySelector('b').textContent,
          String(bar.querySelector('rect').getBoundingClientRect().width
            / bar.querySelector('svg').getBoundingClientRect().width),
        ])
        """;

    // The points of the curves: the title, and the height above the lower edge.
    private const string ReadPoints =
        """
        name => [...document.getElementById(name).querySelectorAll('.curves circle')].map(point => [
          point.textContent, String(-point.getBoundingClientRect().y),
        ])
        """;

    private const string ReadOverview =
        """
        name => [...document.querySelectorAll(`.overview > div:has(a[href="#${name}"]) circle`)].map(
          point => [point.textContent, String(point.getBoundingClientRect().x)])
        """;

    // The ratio of each tile, and its colour.
    private const string ReadTiles =
        """
        () => [...document.querySelectorAll('.tiles dd:not(.note)')].map(
          figure => [figure.firstChild.textContent, getComputedStyle(figure).color])
        """;

    private const string ReadColourOfFailures =
        "() => getComputedStyle(document.querySelector('.failed strong')).color";

    private readonly string _file = Path.Combine(Path.GetTempPath(), $"report-{Guid.NewGuid():N}.html");

    private static WorkloadResult[] MeasuredWorkloads => [.. SampleResults.Rows.OfType<WorkloadResult>()];

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task Nothing_is_fetched_and_text_stays_text()
    {
        await using var tab = await OpenAsync();

        await Assertions.Expect(tab.Page.Locator("h1")).ToBeVisibleAsync();
        await Assertions.Expect(tab.Page.GetByText(SampleResults.Evil).First).ToBeVisibleAsync();
        Assert.Equal([new Uri(_file).AbsoluteUri], tab.Requests);
        Assert.Empty(tab.Complaints);
        Assert.Equal(0, await tab.Page.Locator("img, script, iframe, object").CountAsync());
    }

    [Theory]
    [InlineData(ColorScheme.Light, 1400)]
    [InlineData(ColorScheme.Dark, 390)]
    public async Task Axe_finds_nothing_and_nothing_sticks_out(ColorScheme scheme, int width)
    {
        await using var tab = await OpenAsync(scheme, width);

        await tab.AssertAccessibleAsync();
    }

    [Fact]
    public async Task Its_tables_are_those_of_the_Markdown_file()
    {
        await using var tab = await OpenAsync();

        var tables = await tab.Page.EvaluateAsync<string[][][]>(ReadTables);

        Assert.Equal(
            ReadMarkdown(),
            tables.Select(static table => table.Select(static row => string.Join(" | ", row)).ToArray()));
        foreach (var failure in AllTables().SelectMany(static table => table.Failures))
        {
            await Assertions.Expect(tab.Page.GetByText("FAILED " + failure)).ToBeVisibleAsync();
        }
    }

    [Fact]
    public async Task Bars_are_as_long_as_the_figures_beside_them()
    {
        await using var tab = await OpenAsync();

        foreach (var row in MeasuredWorkloads)
        {
            var bars = await tab.Page.EvaluateAsync<string[][]>(ReadBars, row.Workload.Name);

            var served = ServedRows(row.Tables.First());
            Assert.Equal(
                served.Select(static cells => (cells[0], cells[1])), bars.Select(static bar => (bar[0], bar[1])));
            var unit = double.Parse(bars[0][2]) / double.Parse(bars[0][1]);
            Assert.All(bars, bar => Assert.Equal(unit * double.Parse(bar[1]), double.Parse(bar[2]), 0.01));
        }
    }

    [Fact]
    public async Task Points_of_latency_stand_where_the_table_says()
    {
        await using var tab = await OpenAsync();

        foreach (var row in MeasuredWorkloads)
        {
            var points = await tab.Page.EvaluateAsync<string[][]>(ReadPoints, row.Workload.Name);

            // In the columns 5 to 7: not known for pipelined requests.
            var expected =
                from cells in ServedRows(row.Tables.First())
                where cells[5] != "–"
                from title in new[]
                {
                    $"{cells[0]}, p50: {cells[5]} µs", $"{cells[0]}, p99: {cells[6]} µs",
                    $"{cells[0]}, p99.9: {cells[7]} µs",
                }
                select title;
            var titles = points.Select(static point => point[0]).ToHashSet();
            Assert.Subset(titles, expected.ToHashSet());
            Assert.Equal(expected.Count() / 3 * 5, points.Length);
            Assert.All(points.Chunk(5), static curve => Assert.Equal(
                curve.OrderBy(static point => double.Parse(point[1])).Select(static point => point[0]),
                curve.Select(static point => point[0])));
        }
    }

    [Fact]
    public async Task The_overview_has_every_ratio_to_stock()
    {
        await using var tab = await OpenAsync();

        foreach (var row in MeasuredWorkloads)
        {
            var points = await tab.Page.EvaluateAsync<string[][]>(ReadOverview, row.Workload.Name);

            Assert.Equal(
                ServedRows(row.Tables.First()).Select(static cells => $"{cells[0]}: {cells[2]}").Order(),
                points.Select(static point => point[0]).Order());
            Assert.Equal(
                points.OrderByDescending(static point => double.Parse(point[1])).Select(static point => point[0]),
                points.Select(static point => point[0]));
        }
    }

    [Fact]
    public async Task It_begins_with_the_default_scheduling_beside_stock()
    {
        await using var tab = await OpenAsync();

        var first = MeasuredWorkloads[0];
        var rows = ServedRows(first.Tables.First());
        var ours = rows.Single(static cells => cells[0] == nameof(ApplicationScheduling.Adaptive));
        await Assertions.Expect(tab.Page.Locator(".tiles > div").First).ToHaveTextAsync(
            $"{first.Workload.Title}{ours[2]} × stock {ours[1]} beside {rows[0][1]} µs per {first.Workload.Unit}");
    }

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task What_is_dearer_than_stock_has_the_colour_of_failures(ColorScheme scheme)
    {
        await using var tab = await OpenAsync(scheme);

        var tiles = await tab.Page.EvaluateAsync<string[][]>(ReadTiles);

        var failed = await tab.Page.EvaluateAsync<string>(ReadColourOfFailures);
        Assert.Contains(tiles, static tile => double.Parse(tile[0]) > 1);
        Assert.Contains(tiles, static tile => double.Parse(tile[0]) < 1);
        Assert.All(tiles, tile => Assert.Equal(double.Parse(tile[0]) > 1, tile[1] == failed));
    }

    private static IEnumerable<ResultTable> Summaries()
        => [SummaryTable.OfCpu(MeasuredWorkloads)!, SummaryTable.OfLatency(MeasuredWorkloads)!];

    private static IEnumerable<ResultTable> AllTables()
        => [.. Summaries(), .. SampleResults.Rows.SelectMany(static row => row.Tables)];

    private static List<IReadOnlyList<string>> ServedRows(ResultTable table)
        => [.. table.Rows.Where(static cells => cells[1] != "FAILED")];

    // The rows of each table of the Markdown file, without what marks code.
    private static IEnumerable<string[]> ReadMarkdown()
    {
        var text = MarkdownReport.Of(SampleResults.Settings, TimeSpan.FromMinutes(3), [.. AllTables()]);
        return text.ReplaceLineEndings("\n").Split("\n## ").Skip(1).Select(static section => section.Split('\n')
            .Where(static line => line.StartsWith("| ", StringComparison.Ordinal))
            .Select(static line => line[2..^2].Replace("`", "", StringComparison.Ordinal)).ToArray());
    }

    private async Task<Tab> OpenAsync(ColorScheme scheme = ColorScheme.Light, int width = 1400)
    {
        await File.WriteAllTextAsync(_file, HtmlReport.Of(
            SampleResults.Settings, TimeSpan.FromMinutes(3), [.. Summaries()], SampleResults.Rows));
        return await browser.OpenAsync(new Uri(_file), scheme, width);
    }
}
