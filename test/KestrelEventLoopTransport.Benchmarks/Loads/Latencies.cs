namespace KestrelEventLoopTransport.Benchmarks.Loads;

// Percentiles of what the clients waited, in microseconds; not numbers where the load generator cannot tell.
internal sealed record Latencies(double P50, double P90, double P99, double P999, double P9999)
{
    public static Latencies Unknown { get; } = new(double.NaN, double.NaN, double.NaN, double.NaN, double.NaN);

    public static Latencies Of(IReadOnlyList<double> sorted)
    {
        return sorted.Count == 0 ? Unknown : new(At(0.5), At(0.9), At(0.99), At(0.999), At(0.9999));

        double At(double share) => sorted[(int)(sorted.Count * share)];
    }
}
