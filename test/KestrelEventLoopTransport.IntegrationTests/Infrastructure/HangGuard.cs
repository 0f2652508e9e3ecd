namespace KestrelEventLoopTransport.IntegrationTests.Infrastructure;

/// <summary>
/// The upper bound of a test: it ends a hang, it does not measure speed.
/// </summary>
internal static class HangGuard
{
    public const int Milliseconds = 60_000;

    public const int BulkMilliseconds = 240_000;

    public const int PackageMilliseconds = 540_000;

    /// <summary>Is cancelled when the running test's time is over.</summary>
    public static CancellationToken Token => TestContext.Current.CancellationToken;
}
