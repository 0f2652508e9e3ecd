using KestrelEventLoopTransport.IntegrationTests.Server;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>Large bodies, streamed on both sides and compared by hash.</summary>
[Slow]
public sealed class BulkTransferTests
{
    private const long Mebibyte = 1024 * 1024;
    private const long Gibibyte = 1024 * Mebibyte;

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EveryScheduling>]
    public async Task One_GiB_goes_up(ApplicationScheduling scheduling)
        => await UploadAsync(scheduling, ClientProtocol.Http1, Gibibyte);

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EveryScheduling>]
    public async Task One_GiB_comes_down(ApplicationScheduling scheduling)
        => await DownloadAsync(scheduling, ClientProtocol.Http1, Gibibyte);

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Sixty_four_MiB_go_up(ApplicationScheduling scheduling, ClientProtocol protocol)
        => await UploadAsync(scheduling, protocol, 64 * Mebibyte);

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Sixty_four_MiB_come_down(ApplicationScheduling scheduling, ClientProtocol protocol)
        => await DownloadAsync(scheduling, protocol, 64 * Mebibyte);

    [Theory(Timeout = HangGuard.BulkMilliseconds)]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "client")]
    public async Task One_GiB_goes_up_and_comes_down_between_connections_of_one_loop(ApplicationScheduling scheduling)
    {
        await UploadAsync(scheduling, ClientProtocol.Http1, Gibibyte, isClientOurs: true);
        await DownloadAsync(scheduling, ClientProtocol.Http1, Gibibyte, isClientOurs: true);
    }

    private static async Task UploadAsync(
        ApplicationScheduling scheduling, ClientProtocol protocol, long length, bool isClientOurs = false)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, isClientOurs ? 1 : 2);
        using var client = isClientOurs ? server.CreateLoopClient(protocol) : server.CreateClient(protocol);
        using var content = new StreamContent(new PatternStream(length), bufferSize: 64 * 1024);

        using var response = await client.PostAsync("/upload", content, HangGuard.Token);

        Assert.Equal(
            await ContentHash.OfPatternAsync(length), await response.Content.ReadAsStringAsync(HangGuard.Token));
    }

    private static async Task DownloadAsync(
        ApplicationScheduling scheduling, ClientProtocol protocol, long length, bool isClientOurs = false)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, isClientOurs ? 1 : 2);
        using var client = isClientOurs ? server.CreateLoopClient(protocol) : server.CreateClient(protocol);

        await using var content = await client.GetStreamAsync($"/download?bytes={length}", HangGuard.Token);

        Assert.Equal(
            await ContentHash.OfPatternAsync(length), await ContentHash.OfStreamAsync(content, HangGuard.Token));
    }
}
