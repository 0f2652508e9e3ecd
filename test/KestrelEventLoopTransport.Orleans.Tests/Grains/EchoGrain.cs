using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace KestrelEventLoopTransport.Orleans.Tests.Grains;

[Reentrant]
internal sealed class EchoGrain(IGrainFactory grains, ILocalSiloDetails silo) : Grain, IEchoGrain
{
    private int _canceled;

    public Task<byte[]> EchoAsync(byte[] bytes) => Task.FromResult(bytes);

    public Task<byte[]> EchoOfAsync(long other, byte[] bytes) => grains.GetGrain<IEchoGrain>(other).EchoAsync(bytes);

    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        finally
        {
            _canceled++;
        }
    }

    public Task<int> GetCanceledAsync() => Task.FromResult(_canceled);

    public Task<int> GetPortAsync() => Task.FromResult(silo.SiloAddress.Endpoint.Port);
}
