using Microsoft.AspNetCore.Mvc;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

[ApiController]
[Route("greeting")]
public sealed class GreetingController : ControllerBase
{
    [HttpPost("{number:int}")]
    public ActionResult<Greeting> Greet(int number, Greeting greeting)
        => Ok(new Greeting { Name = $"{number}: Hello, {greeting.Name}!" });
}
