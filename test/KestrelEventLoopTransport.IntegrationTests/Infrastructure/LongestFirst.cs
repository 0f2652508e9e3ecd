using KestrelEventLoopTransport.IntegrationTests.Infrastructure;
using KestrelEventLoopTransport.IntegrationTests.Packages;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace KestrelEventLoopTransport.IntegrationTests.Infrastructure;

/// <summary>Begins with the classes that take longest, so that the run does not end with one of them alone.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] _longest =
    [
        nameof(PackageSuite), nameof(ClusterSampleTests), nameof(RestartTests), nameof(LoadToolTests),
        nameof(FrameSampleTests), nameof(BulkTransferTests), nameof(ObservabilitySampleTests),
    ];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(
        IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection
        => [.. testCollections.OrderBy(static collection => Place(collection.TestCollectionDisplayName))];

    private static int Place(string name)
        => Array.FindIndex(_longest, type => name.Contains(type, StringComparison.Ordinal)) is >= 0 and var place
            ? place
            : _longest.Length;
}
