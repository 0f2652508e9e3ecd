using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// What the kernel knows of sampled connections, as histograms. Their listeners are called on the
/// thread pool, because a loop's thread must not wait for them.
/// </summary>
internal sealed class TcpInfoMetrics
{
    private static readonly InstrumentAdvice<double> _times = new()
    {
        HistogramBucketBoundaries =
            [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    };

    private static readonly InstrumentAdvice<double> _ratios = new()
    {
        HistogramBucketBoundaries = [0, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
    };

    private static readonly InstrumentAdvice<double> _rates = new()
    {
        HistogramBucketBoundaries = [1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8, 3e8, 1e9],
    };

    private readonly Histogram<double> _roundTrip;
    private readonly Histogram<double> _minRoundTrip;
    private readonly Histogram<double> _retransmissions;
    private readonly Histogram<double> _rate;
    private readonly PoolQueue<(TcpInfo Info, KeyValuePair<string, object?>[] Tags)> _samples;

    /// <param name="meter">The meter.</param>
    /// <param name="prefix">What the names begin with.</param>
    internal TcpInfoMetrics(Meter meter, string prefix)
    {
        _roundTrip = meter.CreateHistogram(
            prefix + "rtt", "s", "Smoothed round-trip time of sampled connections (Linux).",
            tags: null, _times);
        _minRoundTrip = meter.CreateHistogram(
            prefix + "min_rtt", "s", "Lowest round-trip time of sampled connections (Linux).", tags: null, _times);
        _retransmissions = meter.CreateHistogram(
            prefix + "retransmission_ratio", "1",
            "Segments that sampled connections have sent more than once, of all that they have sent (Linux).",
            tags: null, _ratios);
        _rate = meter.CreateHistogram(
            prefix + "delivery_rate", "By/s", "How fast data has reached the peers of sampled connections (Linux).",
            tags: null, _rates);
        _samples = new(sample => Record(sample.Info, sample.Tags));
    }

    /// <summary>Whether somebody listens.</summary>
    internal bool IsEnabled
        => _roundTrip.Enabled || _minRoundTrip.Enabled || _retransmissions.Enabled || _rate.Enabled;

    internal void Add(TcpInfo info, KeyValuePair<string, object?>[] tags) => _samples.Add((info, tags));

    private void Record(TcpInfo info, KeyValuePair<string, object?>[] tags)
    {
        try
        {
            Record(_roundTrip, info.RoundTripTime?.TotalSeconds, tags);
            Record(_minRoundTrip, info.MinRoundTripTime?.TotalSeconds, tags);
            Record(_retransmissions, RatioOf(info), tags);
            Record(_rate, info.DeliveryRate, tags);
        }
        catch (Exception)
        {
            // A listener threw. The process must not end with it.
        }
    }

    // What the kernel does not know is left out: zero would be a measurement.
    private static void Record(Histogram<double> histogram, double? value, KeyValuePair<string, object?>[] tags)
    {
        if (value is { } known)
        {
            histogram.Record(known, tags);
        }
    }

    private static double? RatioOf(TcpInfo info)
        => info.SegmentsSent > 0 ? (double?)info.SegmentsRetransmitted / info.SegmentsSent : null;
}
