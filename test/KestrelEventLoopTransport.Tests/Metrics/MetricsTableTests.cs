using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Dialing;
using KestrelEventLoopTransport.Tests.Layers;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Metrics;

/// <summary>What operators read of the instruments.</summary>
[FailsOnStock("Metrics of ours.")]
public sealed class MetricsTableTests
{
    [Fact]
    public async Task The_table_of_the_README_has_a_row_for_each_instrument_with_its_type_and_unit()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var factory = transport.Services.GetRequiredService<IMeterFactory>();
        var rows = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == "KestrelEventLoopTransport" && instrument.Meter.Scope == factory)
                {
                    rows.Add($"| `{instrument.Name}` | {TypeOf(instrument)}, {instrument.Unit} |");
                }
            },
        };
        listener.Start();
        _ = new DialMetrics(factory);
        _ = new DatagramMetrics(factory);

        var readme = await File.ReadAllLinesAsync(Repository.PathOf("README.md"));
        var documented = readme.Where(static line => line.StartsWith("| `event_loop.", StringComparison.Ordinal));

        Assert.All(rows, row => Assert.Single(documented, line => line.StartsWith(row, StringComparison.Ordinal)));
        Assert.Equal(rows.Count, documented.Count());
        Assert.InRange(rows.Count, 27, int.MaxValue);
    }

    private static string TypeOf(Instrument instrument) => instrument.GetType().Name switch
    {
        "ObservableCounter`1" => "counter",
        "ObservableUpDownCounter`1" => "up-down counter",
        "ObservableGauge`1" => "gauge",
        _ => "histogram",
    };
}
