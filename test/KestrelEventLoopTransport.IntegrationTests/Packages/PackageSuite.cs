namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>The tests of the packages, which are made once for all of them.</summary>
[CollectionDefinition]
public sealed class PackageSuite : ICollectionFixture<PackedApp>;
